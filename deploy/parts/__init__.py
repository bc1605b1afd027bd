"""Obtains and runs the real servers beside the product: broker, databases, HDFS, Java peers."""
