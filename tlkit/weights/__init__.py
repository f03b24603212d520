"""Published weights: what there is (`catalogue`), getting it (`fetch`), reading it (`contents`). No Keras here."""
