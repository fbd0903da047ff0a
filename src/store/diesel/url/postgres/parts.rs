//! Splits a Postgres URL as libpq does, and refuses what libpq would read in another way than its writer meant.
//! An error never shows a part of the URL.

/// The parts of a Postgres URL that this program needs.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Parts {
    /// What follows the user and the password, without the parameters.
    pub(super) place: String,
    pub(super) hosts: Vec<String>,
    /// The user and the database, as far as the URL names them.
    pub(super) names: Vec<String>,
    /// As written, not decoded.
    pub(super) password: Option<String>,
    /// Each name decoded, each value as written.
    parameters: Vec<(String, String)>,
}

/// Parameters whose values may contain an unencoded `@`. In the name of any other parameter's value it shows that
/// a password was cut at its `?`.
const MAY_HAVE_AT: [&str; 7] = ["user", "password", "dbname", "host", "options", "application_name", "passfile"];

impl Parts {
    /// Splits what follows the scheme.
    ///
    /// # Errors
    /// When libpq cannot read it, or would read a part of the password as something else.
    pub(super) fn of(rest: &str) -> Result<Self, String> {
        check_characters(rest)?;
        // libpq looks for an `@` before the first `/`.
        let (login, after) = match rest.find(['@', '/']).and_then(|at| rest.split_at_checked(at)) {
            Some((login, after)) if after.starts_with('@') => (login, after.strip_prefix('@').unwrap_or(after)),
            Some(_) | None => ("", rest),
        };
        let (place, query) = after.split_once('?').unwrap_or((after, ""));
        let authority = place.split_once('/').map_or(place, |(authority, _)| authority);
        if login.contains('?') || place.contains('@') {
            return Err(misread(rest));
        }
        let hosts = authority.split(',').map(host_of).collect::<Option<Vec<_>>>();
        let (Some(hosts), Some(parameters)) = (hosts, parameters_of(query)) else { return Err(misread(rest)) };
        // libpq splits once more after decoding.
        let mut hosts: Vec<String> = hosts.iter().flat_map(|list| list.split(',').map(str::to_owned)).collect();
        let (user, password) = login.split_once(':').map_or((login, None), |(user, password)| (user, Some(password)));
        let database = place.split_once('/').map_or("", |(_, database)| database);
        let names = vec![decode(user), decode(database)];
        let (place, password) = (place.to_owned(), password.map(str::to_owned));
        let mut parts = Self { place, hosts: Vec::new(), names, password, parameters };
        let given = ["user", "dbname"].map(|name| parts.get(name));
        parts.names.extend(given.into_iter().flatten());
        parts.names.retain(|name| !name.is_empty());
        for name in ["host", "hostaddr"] {
            hosts.extend(parts.get(name).iter().flat_map(|list| list.split(',').map(str::to_owned)));
        }
        parts.hosts = hosts;
        parts.password = parts.raw("password").map(str::to_owned).or(parts.password);
        Ok(parts)
    }

    /// The value of a parameter as written: libpq takes the last one.
    pub(super) fn raw(&self, name: &str) -> Option<&str> {
        self.parameters.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The value of a parameter.
    pub(super) fn get(&self, name: &str) -> Option<String> {
        self.raw(name).map(decode)
    }
}

/// What has to be encoded wherever it stands.
fn check_characters(rest: &str) -> Result<(), String> {
    if let Some(character) = rest.chars().find(|c| c.is_whitespace() || c.is_control()) {
        let mut buffer = [0; 4];
        let codes: String = character.encode_utf8(&mut buffer).bytes().map(|byte| format!("%{byte:02X}")).collect();
        let name = if character == ' ' { "a blank" } else { "a character that is blank or not visible" };
        return Err(format!("the database URL contains {name}: write {codes} if it belongs to the password"));
    }
    let mut pieces = rest.split('%');
    // Before the first `%`.
    pieces.next();
    let is_code = |piece: &str| piece.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2;
    if pieces.clone().any(|piece| !is_code(piece)) {
        return Err("the database URL contains a `%` without two hexadecimal digits after it: write %25 for a `%` of \
                    the password"
            .to_owned());
    }
    if pieces.any(|piece| piece.starts_with("00")) {
        return Err("the database URL contains %00, which libpq does not take".to_owned());
    }
    Ok(())
}

/// The message about a URL that cannot mean what it says. If it has an `@`, what stands before the last one was
/// meant to be user and password.
fn misread(rest: &str) -> String {
    let Some((login, _)) = rest.rsplit_once('@') else {
        return "the database URL cannot be read: after the scheme it has user:password@host:port/database, and its \
                parameters are name=value with & between them; in a value, write %3D for `=` and %26 for `&`"
            .to_owned();
    };
    let found = [("@", "%40"), ("/", "%2F"), ("?", "%3F")].into_iter().filter(|(sign, _)| login.contains(sign));
    let cures: Vec<_> = found.map(|(sign, code)| format!("write {code} for `{sign}`")).collect();
    if cures.is_empty() {
        return "the database URL cannot be read: what follows its `@` is no host:port/database with parameters"
            .to_owned();
    }
    format!(
        "the user or the password in the database URL contains a character that ends it there: {}",
        cures.join(", ")
    )
}

/// The host of `host:port` or `[address]:port`; `None` if the port is no number.
fn host_of(entry: &str) -> Option<String> {
    let (host, port) = match entry.strip_prefix('[') {
        Some(rest) => {
            let (address, after) = rest.split_once(']')?;
            (address, if after.is_empty() { "" } else { after.strip_prefix(':')? })
        }
        None => entry.split_once(':').unwrap_or((entry, "")),
    };
    decode(port).bytes().all(|byte| byte.is_ascii_digit()).then(|| decode(host))
}

/// The parameters; `None` if one is not `name=value`.
fn parameters_of(query: &str) -> Option<Vec<(String, String)>> {
    let pairs = query.strip_suffix('&').unwrap_or(query).split('&').filter(|_| !query.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=')?;
            let name = decode(name);
            let cut = value.contains('=') || value.contains('@') && !MAY_HAVE_AT.contains(&name.as_str());
            (!cut && !name.contains('@')).then(|| (name, value.to_owned()))
        })
        .collect()
}

/// Resolves `%XX`.
pub(super) fn decode(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_that_is_not_encoded_is_named_and_not_shown() {
        for (rest, code) in [
            ("u:hush@w0rd@db/knox", "%40"),
            ("u:hush@@db/knox", "%40"),
            ("u@tenant:hush@db/knox", "%40"),
            ("u:hush/w0rd@db/knox", "%2F"),
            ("u:12/hush@db/knox", "%2F"),
            ("u:12/hush?w0rd@db/knox", "%3F"),
            ("u:12/hush?w0rd=1@db/knox", "%2F"),
            ("u:hush?w0rd@db/knox", "%3F"),
            ("u:hush?password=w0rd@db/knox", "%3F"),
            ("db?password=hush@w0rd", "%3F"),
            ("u:hush w0rd@db/knox", "%20"),
            (" u:hush@db/knox", "%20"),
            ("u:hush@db/knox ", "%20"),
            ("u:hush\tw0rd@db/knox", "%09"),
            ("u:hush\u{a0}w0rd@db/knox", "%C2%A0"),
            ("u:hush%w0rd@db/knox", "%25"),
            ("u:hush%@db/knox", "%25"),
            ("u:hush%é0@db/knox", "%25"),
            ("u:hush%00@db/knox", "%00"),
            ("u:hush:@db:w0rd/knox", "no host:port/database"),
            ("u:hush/knox", "user:password@host:port"),
            ("db/knox?password=hush=w0rd", "%3D"),
            ("db/knox?password=hush&w0rd", "%26"),
            ("[::1/hush", "user:password@host:port"),
        ] {
            let refusal = Parts::of(rest).err().unwrap_or_else(|| panic!("{rest} was read"));
            assert!(refusal.contains(code), "{rest}: {refusal}");
            assert!(!refusal.contains("hush") && !refusal.contains("w0rd"), "{rest}: {refusal}");
        }
    }

    #[test]
    fn a_percent_sign_without_two_digits_stands_for_itself() {
        for (text, decoded) in [
            ("%41%c3%A9", "A\u{e9}"),
            ("100%", "100%"),
            ("%4", "%4"),
            ("%g1%4g", "%g1%4g"),
            ("%+1%%41", "%+1%A"),
            ("%\u{e9}1", "%\u{e9}1"),
            ("%ff", "\u{fffd}"),
        ] {
            assert_eq!(decode(text), decoded, "{text}");
        }
    }

    #[test]
    fn a_url_is_split_as_libpq_splits_it() {
        for (rest, hosts, password) in [
            ("u:a:b#c&d=e;$!'\\[x]é@db:5432/knox", &["db"][..], Some("a:b#c&d=e;$!'\\[x]é")),
            ("u:%40%2F%3f%25%20@db/knox", &["db"], Some("%40%2F%3f%25%20")),
            ("u:@db/knox", &["db"], Some("")),
            ("db/knox?password=a@b/c?d&", &["db"], Some("a@b/c?d")),
            ("u:first@db/knox?password=last", &["db"], Some("last")),
            ("u@[::1]:5432,b:1/knox", &["::1", "b"], None),
            ("/knox?host=%2Frun%2Fpg&hostaddr=127.0.0.1,::1", &["", "/run/pg", "127.0.0.1", "::1"], None),
            ("/knox?host=@abstract&%68ost=b", &["", "b"], None),
            ("", &[""], None),
            ("%2Frun%2Fpg/knox?", &["/run/pg"], None),
        ] {
            let parts = Parts::of(rest).unwrap_or_else(|refusal| panic!("{rest}: {refusal}"));
            assert_eq!(
                (&parts.hosts[..], parts.password.as_deref()),
                (&hosts.iter().map(|h| (*h).to_owned()).collect::<Vec<_>>()[..], password),
                "{rest}"
            );
        }
    }
}
