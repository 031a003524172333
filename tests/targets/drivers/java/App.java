import java.sql.DriverManager;

/** Connects with the JDBC driver, as Spring's three settings do, and prints who it is. */
class App {
    public static void main(String[] words) throws Exception {
        var url = System.getenv("JDBC_URL");
        try (var connection = DriverManager.getConnection(url, System.getenv("DB_USER"), System.getenv("DB_PASSWORD"));
                var rows = connection.createStatement().executeQuery("SELECT current_user, current_database()")) {
            rows.next();
            System.out.println(rows.getString(1) + " " + rows.getString(2));
        }
    }
}
