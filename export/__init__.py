"""PyTorch to ONNX to plans."""
