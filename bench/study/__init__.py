"""Studies: which cities to train on, how many trajectories, which settings; proposed by Optuna, run as cases."""
