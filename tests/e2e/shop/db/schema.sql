CREATE TABLE goods (name text PRIMARY KEY);
INSERT INTO goods VALUES ('apples');
