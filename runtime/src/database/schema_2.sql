-- Version 2 of the tables.

-- The SHA-256 of the part of the tool's declaration on which the effect of a call depends. Rows of version 1 have none.
ALTER TABLE candor.keys ADD COLUMN IF NOT EXISTS declaration bytea;

-- The call of a task that another replica may run again, encrypted under the replicas' state key, until the task has ended;
-- and the number of replicas that ran it.
ALTER TABLE candor.tasks ADD COLUMN IF NOT EXISTS call bytea;
ALTER TABLE candor.tasks ADD COLUMN IF NOT EXISTS attempts smallint NOT NULL DEFAULT 1;
