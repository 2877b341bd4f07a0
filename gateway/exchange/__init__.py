"""The use cases, one file each. Read them in the order a message travels:

sending: `submit` → `prepare` (pure) → commit → `dispatch` → `seal` (pure) → partner → `check` (pure) → `settle`;
receiving: `receive` → `admit` (pure) → commit → the receipt goes back; then `hand_over` to the back end.
`operate` holds the acts of named operators, `sweep` what time does by itself. They talk to the outside through
`gateway.ports` alone and import no adapter.
"""
