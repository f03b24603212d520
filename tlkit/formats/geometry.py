"""The fit, how a photo becomes the square that a model takes, in words (`data.fits` does it)."""

DEFAULT = "stretch"
# To feed a model by, in words.
WORDS = {
    "stretch": "the whole picture stretched",
    "crop": "the square in the middle, as wide as the picture's shorter side, scaled",
    "pad": "the whole picture in the middle of a square of grey (127, 127, 127), as wide as its longer side, "
    "scaled",
}
