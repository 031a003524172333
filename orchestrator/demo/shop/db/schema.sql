CREATE TABLE products (name text PRIMARY KEY, price numeric(8, 2) NOT NULL CHECK (price > 0));
