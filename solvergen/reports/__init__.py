"""What people read: derivations, stability, the demo, the audit, pictures."""
