"""The data model: column schema, closed vocabularies, error classes, provenance, the two tables, row objects."""
