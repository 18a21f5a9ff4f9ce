"""The experiment: shows an image set to one subject, face after face, and records each answer (pygame)."""
