"""Learning curves: scores of initial runs and encoders against the size of the training set."""
