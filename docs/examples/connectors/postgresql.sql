BEGIN;
CREATE SCHEMA IF NOT EXISTS "larm";
CREATE TABLE IF NOT EXISTS "larm"."event_version" (
    version    integer     PRIMARY KEY,
    applied_at timestamptz NOT NULL DEFAULT now()
);
-- One row for each event. `record` holds the whole record as docs/event.schema.json describes it;
-- the other columns repeat what one searches by.
CREATE TABLE "larm"."event" (
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
CREATE UNIQUE INDEX "event_arrival" ON "larm"."event" (arrival);
CREATE INDEX "event_account" ON "larm"."event" (account, received_at);
CREATE INDEX "event_received" ON "larm"."event" (received_at);
INSERT INTO "larm"."event_version" (version) VALUES (1);
COMMIT;
