CREATE SCHEMA IF NOT EXISTS candor;

-- One row: the version of these tables.
CREATE TABLE IF NOT EXISTS candor.store_version (
    is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    version integer NOT NULL
);

-- A deployment is one server with all of its replicas.
CREATE TABLE IF NOT EXISTS candor.deployments (
    id integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    name text NOT NULL UNIQUE,
    -- The id of the key that encrypts the questions of this deployment.
    state_key bytea
);

-- The usage of each caller. Its row is locked by every change of the caller's keys.
CREATE TABLE IF NOT EXISTS candor.callers (
    deployment integer NOT NULL,
    caller bytea NOT NULL,
    -- The keys that are in use or replay a result, and the bytes of these results.
    live_keys bigint NOT NULL DEFAULT 0,
    result_bytes bigint NOT NULL DEFAULT 0,
    -- The rows of this caller in `keys`, including those that are only still known.
    known_keys bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (deployment, caller)
) WITH (fillfactor = 50);

-- Idempotency keys. Times are milliseconds since 1970 by the clock of the database.
CREATE TABLE IF NOT EXISTS candor.keys (
    deployment integer NOT NULL,
    -- The SHA-256 of the caller and the key.
    key bytea NOT NULL,
    caller bytea NOT NULL,
    -- The SHA-256 of the call.
    fingerprint bytea NOT NULL,
    -- The attempt that holds or held the key: the `call_id` of its records in an audit log.
    attempt bytea NOT NULL,
    began bigint NOT NULL,
    lease_end bigint NOT NULL,
    repeatable boolean NOT NULL,
    task text,
    -- 0: in progress; 1: completed; 2: completed, with a result that is too large to keep; 3: only still known.
    state smallint NOT NULL,
    ended bigint,
    -- The result, or its SHA-256 in state 2.
    result bytea,
    result_size bigint,
    -- The time at which the row is pruned, or looked at again.
    due bigint NOT NULL,
    PRIMARY KEY (deployment, key)
) WITH (fillfactor = 70);
CREATE INDEX IF NOT EXISTS keys_due ON candor.keys (deployment, due);

-- The states of questions that were answered, so that each is used once.
CREATE TABLE IF NOT EXISTS candor.nonces (
    deployment integer NOT NULL,
    nonce bytea NOT NULL,
    -- The use, so that a replica that lost the answer knows its own.
    use bytea NOT NULL,
    -- The time until which the row is kept, in milliseconds since 1970. A later use is refused without a row.
    expiry bigint NOT NULL,
    PRIMARY KEY (deployment, nonce)
);
CREATE INDEX IF NOT EXISTS nonces_expiry ON candor.nonces (deployment, expiry);

-- The times at which the calls so far would have been made at an even pace, in nanoseconds since 1970: one for each rate
-- and caller.
CREATE TABLE IF NOT EXISTS candor.rates (
    deployment integer NOT NULL,
    cell bytea NOT NULL,
    arrival bigint NOT NULL,
    PRIMARY KEY (deployment, cell)
) WITH (fillfactor = 50);

-- Takes a call from all rates, or from none. Returns the nanoseconds until each rate allows it; all are zero if it was
-- taken. The generic cell rate algorithm, as for the rates of one process.
CREATE OR REPLACE FUNCTION candor.take_rates(
    of_deployment integer, cells bytea[], paces bigint[], tolerances bigint[]
) RETURNS bigint[] LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
    moment bigint;
    locked bigint;
    waits bigint[];
BEGIN
    -- A crash of the database may forget the calls of a moment: no call waits for a disk.
    PERFORM set_config('synchronous_commit', 'off', true);
    LOOP
        INSERT INTO candor.rates (deployment, cell, arrival)
            SELECT of_deployment, wanted, 0 FROM unnest(cells) AS wanted ORDER BY wanted
            ON CONFLICT DO NOTHING;
        PERFORM FROM candor.rates
            WHERE deployment = of_deployment AND cell = ANY (cells) ORDER BY cell FOR UPDATE;
        GET DIAGNOSTICS locked = ROW_COUNT;
        -- An idle row may have been forgotten between the two.
        EXIT WHEN locked = cardinality(cells);
    END LOOP;
    moment := (extract(epoch FROM clock_timestamp()) * 1000000000)::bigint;
    -- A clock that was set back makes no call wait for longer than one call takes at an even pace.
    SELECT array_agg(
            least(wanted.pace, greatest(0, greatest(rate.arrival, moment) - wanted.tolerance - moment))
            ORDER BY wanted.at
        )
        INTO waits
        FROM unnest(cells, paces, tolerances) WITH ORDINALITY AS wanted (cell, pace, tolerance, at)
        JOIN candor.rates AS rate ON rate.deployment = of_deployment AND rate.cell = wanted.cell;
    IF NOT EXISTS (SELECT FROM unnest(waits) AS wait WHERE wait > 0) THEN
        UPDATE candor.rates AS rate SET arrival = greatest(rate.arrival, moment) + wanted.pace
            FROM unnest(cells, paces) AS wanted (cell, pace)
            WHERE rate.deployment = of_deployment AND rate.cell = wanted.cell;
    END IF;
    RETURN waits;
END
$$;

-- Calls that outlast their requests.
CREATE TABLE IF NOT EXISTS candor.tasks (
    deployment integer NOT NULL,
    id text NOT NULL,
    -- The SHA-256 of the caller.
    caller bytea NOT NULL,
    -- The process that runs it, which renews its lease.
    runner bytea NOT NULL,
    lease_end timestamptz NOT NULL,
    -- The task as its caller sees it, as JSON.
    task bytea NOT NULL,
    has_ended boolean NOT NULL DEFAULT false,
    -- The answers that the runner has not yet used, as JSON, and whether the caller has cancelled the task.
    answers bytea[] NOT NULL DEFAULT '{}',
    answer_bytes bigint NOT NULL DEFAULT 0,
    is_cancelled boolean NOT NULL DEFAULT false,
    expiry timestamptz NOT NULL,
    PRIMARY KEY (deployment, id)
);
CREATE INDEX IF NOT EXISTS tasks_runner ON candor.tasks (deployment, runner) WHERE NOT has_ended;
CREATE INDEX IF NOT EXISTS tasks_caller ON candor.tasks (deployment, caller);
CREATE INDEX IF NOT EXISTS tasks_expiry ON candor.tasks (deployment, expiry);
