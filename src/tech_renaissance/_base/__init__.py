"""What everything else stands on: errors, names, dtypes and tensor libraries, the record of an end. No I/O."""
