INSERT INTO products VALUES ('Apples, 1 kg', 2.90), ('Bread', 3.40), ('Coffee, 250 g', 5.80);
