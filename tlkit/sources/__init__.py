"""What names photos and their classes: folders, tables and rows, brought to one form; no file is opened."""
