import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.Base64;

/**
 * Runs statements on HSQLDB in its Oracle mode. A line of input is a statement
 * and its values, each in base64, `-` for null, with tabs between; a line of
 * output is `count n`, `rows` and values likewise, or `error` and words.
 */
public class OracleHsqldb {
  public static void main(String[] arguments) throws Exception {
    String url = "jdbc:hsqldb:mem:oracle;sql.syntax_ora=true";
    BufferedReader input =
        new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    try (Connection connection = DriverManager.getConnection(url, "SA", "")) {
      connection.setAutoCommit(false);
      for (String line = input.readLine(); line != null; line = input.readLine()) {
        System.out.println(answer(connection, line.split("\t")));
      }
    }
  }

  static String answer(Connection connection, String[] fields) {
    try (PreparedStatement statement = connection.prepareStatement(decoded(fields[0]))) {
      for (int index = 1; index < fields.length; index++) {
        statement.setString(index, decoded(fields[index]));
      }
      return statement.execute()
          ? rows(statement.getResultSet())
          : "count " + statement.getUpdateCount();
    } catch (SQLException error) {
      return "error " + error.getMessage().replace('\n', ' ');
    }
  }

  static String rows(ResultSet result) throws SQLException {
    StringBuilder text = new StringBuilder("rows");
    while (result.next()) {
      text.append('\t');
      for (int column = 1; column <= result.getMetaData().getColumnCount(); column++) {
        text.append(column == 1 ? "" : ",").append(encoded(result.getString(column)));
      }
    }
    return text.toString();
  }

  static String decoded(String field) {
    return field.equals("-")
        ? null
        : new String(Base64.getDecoder().decode(field), StandardCharsets.UTF_8);
  }

  static String encoded(String value) {
    return value == null
        ? "-"
        : Base64.getEncoder().encodeToString(value.getBytes(StandardCharsets.UTF_8));
  }
}
