"""Devices of other hosts, and trainings there: Dask finds a host that has a device, and keeps its board for one job."""
