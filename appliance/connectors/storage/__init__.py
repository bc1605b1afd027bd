"""What the HDFS sink and the local files sink share: formats, partitioners, rotation, exactly-once commit."""
