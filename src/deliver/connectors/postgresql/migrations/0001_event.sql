-- One row for each event. `record` holds the whole record as docs/event.schema.json describes it;
-- the other columns repeat what one searches by.
CREATE TABLE {schema}.{table} (
    id          uuid        PRIMARY KEY,                  -- the event's own id: a repeat has the same
    arrival     bigint      GENERATED ALWAYS AS IDENTITY, -- order of storing, with gaps
    stored_at   timestamptz NOT NULL DEFAULT now(),
    position    bigint      NOT NULL,                     -- place in the journal of `node`
    node        text        NOT NULL,
    received_at timestamptz NOT NULL,
    occurred_at timestamptz,
    protocol    text        NOT NULL,
    receiver    text,
    line        text,
    account     text,                                     -- at most 256 characters of it
    scheme      text,
    code        text,
    kind        text        NOT NULL,
    category    text        NOT NULL,
    priority    smallint    NOT NULL,                     -- 1 (life) to 5 (log only)
    partition   text,
    zone        text,
    user_id     text,
    text        text,
    test        boolean     NOT NULL,
    record      jsonb       NOT NULL
);
CREATE UNIQUE INDEX {table_arrival} ON {schema}.{table} (arrival);
CREATE INDEX {table_account} ON {schema}.{table} (account, received_at);
CREATE INDEX {table_received} ON {schema}.{table} (received_at);
