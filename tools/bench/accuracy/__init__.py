"""The accuracy benchmark: methods tested on people whom they have not seen."""
