//! Names of devices, derived from their `User-Agent`. Clients can send anything there: the names help people to recognise
//! their own devices, and nothing depends on them.

/// The program and its system, such as `Firefox on Linux`.
pub(super) fn in_words(user_agent: Option<&str>) -> String {
    let Some(agent) = user_agent.filter(|agent| !agent.trim().is_empty()) else { return "Unknown device".to_owned() };
    let known =
        |marks: &[(&str, &'static str)]| marks.iter().find(|(mark, _)| agent.contains(mark)).map(|(_, name)| *name);
    match (known(PROGRAMS).or_else(|| browser(agent)), known(SYSTEMS)) {
        (Some(program), Some(system)) => format!("{program} on {system}"),
        (Some(program), None) => program.to_owned(),
        (None, Some(system)) => format!("An application on {system}"),
        (None, None) => product(agent).to_owned(),
    }
}

/// Marks of programs. Many browsers also name others, so the order matters.
const PROGRAMS: &[(&str, &str)] = &[
    ("Edg/", "Edge"),
    ("EdgA/", "Edge"),
    ("EdgiOS/", "Edge"),
    ("OPR/", "Opera"),
    ("Vivaldi/", "Vivaldi"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("HeadlessChrome/", "Headless Chrome"),
    ("Chromium/", "Chromium"),
    ("Chrome/", "Chrome"),
    ("curl/", "curl"),
    ("Wget/", "Wget"),
    ("python-requests/", "Python (requests)"),
    ("python-httpx/", "Python (httpx)"),
    ("aiohttp/", "Python (aiohttp)"),
    ("Python-urllib/", "Python"),
    ("okhttp/", "OkHttp"),
    ("Dalvik/", "An application"),
    ("CFNetwork/", "An application"),
    ("Go-http-client/", "Go"),
    ("node-fetch", "Node.js"),
    ("undici", "Node.js"),
    ("axios/", "Node.js (axios)"),
    ("PostmanRuntime/", "Postman"),
    ("Java/", "Java"),
];

/// Marks of systems. The order matters here, too.
const SYSTEMS: &[(&str, &str)] = &[
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Macintosh", "macOS"),
    ("Mac OS X", "macOS"),
    ("Darwin", "an Apple device"),
    ("Linux", "Linux"),
    ("FreeBSD", "FreeBSD"),
];

/// Safari sends `Version/… Safari/…`. Other browsers have copied only the second half.
fn browser(agent: &str) -> Option<&'static str> {
    (agent.contains("Version/") && agent.contains("Safari/")).then_some("Safari")
}

/// The first word without its version, shortened to fit a table.
fn product(agent: &str) -> &str {
    let word = agent.trim_start().split(['/', ' ', '(']).next().filter(|word| !word.is_empty()).unwrap_or(agent);
    match word.char_indices().nth(40) {
        Some((end, _)) => word.get(..end).unwrap_or(word),
        None => word,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_clients_are_recognised() {
        for (agent, words) in [
            ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Linux"),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 \
                 Safari/537.36",
                "Chrome on Windows",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 \
                 Safari/537.36 Edg/141.0.0.0",
                "Edge on Windows",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
                 Version/18.0 Mobile/15E148 Safari/604.1",
                "Safari on iPhone",
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 \
                 Safari/605.1.15",
                "Safari on macOS",
            ),
            (
                "Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Mobile \
                 Safari/537.36",
                "Chrome on Android",
            ),
            ("curl/8.5.0", "curl"),
            ("python-requests/2.32.0", "Python (requests)"),
            ("MyApp/3.1 (build 7)", "MyApp"),
            ("<script>alert(1)</script>", "<script>alert"),
            ("", "Unknown device"),
        ] {
            assert_eq!(in_words(Some(agent)), words, "{agent}");
        }
        assert_eq!(in_words(None), "Unknown device");
        assert_eq!(in_words(Some(&"é".repeat(100))).chars().count(), 40);
        assert_eq!(in_words(Some("/")), "/");
    }
}
