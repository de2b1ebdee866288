"""Trained models in the formats of others: ONNX, and folders that transformers loads. Knows no
params.yaml.
"""
