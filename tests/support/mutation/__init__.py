"""What the tests would overlook: small faults put into the dangerous modules, one at a time."""
