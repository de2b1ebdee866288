"""What people read: tables, figures, one HTML page, and the results table of the README. Imports no
torch.
"""
