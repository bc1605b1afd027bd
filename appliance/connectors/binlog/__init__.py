"""Binlog change data capture, shared by the `mysql` and `mariadb` connectors."""
