-- Version 2 of the tables.

-- The SHA-256 of the part of the tool's declaration on which the effect of a call depends. Rows of version 1 have none.
ALTER TABLE candor.keys ADD COLUMN IF NOT EXISTS declaration bytea;
