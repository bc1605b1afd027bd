"""Builds the Debian packages in a folder of each release, makes a signed apt repository, and tries both.

Root on Debian is needed; the rest is installed by apt when it is missing. Ubuntu: the same recipe
(`debian/`) builds there with dpkg-buildpackage, once `wheels/` and `jars/` are filled as `build` does.
"""
