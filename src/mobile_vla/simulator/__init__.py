"""The MuJoCo world: scenes, the robot, its camera, an expert, and simulated data sets."""
