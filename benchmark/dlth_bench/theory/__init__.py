"""The teacher-student perceptron of the DLTH paper's appendix F.1: simulated, and solved where that is possible."""
