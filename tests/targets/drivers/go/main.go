// Connects with the driver that the first argument names, and prints who it is.
package main

import (
	"database/sql"
	"fmt"
	"os"

	_ "github.com/jackc/pgx/v5/stdlib"
	_ "github.com/lib/pq"
)

func main() {
	database, err := sql.Open(os.Args[1], os.Getenv("DATABASE_URL"))
	if err != nil {
		panic(err)
	}
	var role, name string
	if err := database.QueryRow("SELECT current_user, current_database()").Scan(&role, &name); err != nil {
		panic(err)
	}
	fmt.Println(role, name)
}
