"""Files to core types and back: schema versions, atomic writes, migrations."""
