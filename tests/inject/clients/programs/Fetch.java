import java.io.InputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import javax.net.ssl.HttpsURLConnection;

/** Prints the bodies of addresses: by HttpClient (which asks for HTTP/2) and by HttpsURLConnection. */
public class Fetch {
	public static void main(String[] args) throws Exception {
		HttpClient client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_2).build();

		for (String arg : args) {
			HttpResponse<String> r = client.send(HttpRequest.newBuilder(URI.create(arg)).build(),
				HttpResponse.BodyHandlers.ofString());
			System.out.println(r.version() + " " + r.statusCode() + " " + r.body());
			HttpsURLConnection c = (HttpsURLConnection) URI.create(arg).toURL().openConnection();
			if (c.getResponseCode() != 200) {
				System.out.println("old " + c.getResponseCode());
				continue;
			}
			try (InputStream in = c.getInputStream()) {
				System.out.println("old " + new String(in.readAllBytes()));
			}
		}
	}
}
