CREATE TABLE IF NOT EXISTS votes (id serial PRIMARY KEY, choice text NOT NULL, counted boolean NOT NULL DEFAULT false);
