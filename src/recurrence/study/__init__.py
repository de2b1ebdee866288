"""What is learned from many samples: calibration of the detector, rates with intervals,
comparisons. Needs numpy.
"""
