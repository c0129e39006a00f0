"""The checks of a data set, and the contact sheet that shows what they find."""
