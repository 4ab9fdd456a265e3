"""Any TFLite network as a whole int8 one."""
