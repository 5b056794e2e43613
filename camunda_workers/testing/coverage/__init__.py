"""Which elements, flows, boundary events and decision rules tests executed."""
