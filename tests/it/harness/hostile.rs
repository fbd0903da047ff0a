//! Strings that pretend to be JSON Web Tokens. No endpoint of any dialect may accept one of them,
//! even if the attacker knows the signing key.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

use super::jwt::{HEADER, encode, part, seal, sign, twiddled};

/// What an attacker may have stolen.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Loot<'a> {
    /// The leaked secret with which the server signs; it must be useless all the same.
    pub(crate) secret: &'a str,
    /// A live token of the server.
    pub(crate) live: &'a str,
    /// The server's published key, as PEM.
    pub(crate) public_key: &'a str,
    /// Seconds since 1970 on the server's clock.
    pub(crate) now: i64,
}

/// A string with a name for reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hostile {
    pub(crate) name: String,
    pub(crate) token: String,
}

/// All forged tokens. None equals the live token.
pub(crate) fn hostile_jwts(loot: Loot<'_>) -> Vec<Hostile> {
    let forge = Forge { loot, list: Vec::new() };
    let forge = forge.without_signature().with_foreign_keys().with_strange_headers();
    forge.with_strange_claims().never_issued().nearly_live().no_tokens().list
}

/// Writes them one by one.
struct Forge<'a> {
    loot: Loot<'a>,
    list: Vec<Hostile>,
}

impl Forge<'_> {
    /// Claims that satisfy every dialect.
    fn claims(&self) -> String {
        let (now, later) = (self.loot.now, self.loot.now + 3_600);
        format!(
            r#"{{"token_type":"access","username":"alice","user_id":1,"email":"alice@example.com","orig_iat":{now},"iat":{now},"exp":{later},"jti":"00112233445566778899aabbccddeeff"}}"#
        )
    }

    /// The same with one more member before the others, which may be a duplicate.
    fn claims_with(&self, member: &str) -> String {
        format!("{{{member},{}", &self.claims()[1..])
    }

    /// The same with another `exp`, or another member in its place.
    fn claims_with_end(&self, exp: &str) -> String {
        let own = format!(r#""exp":{}"#, self.loot.now + 3_600);
        self.claims().replace(&own, exp)
    }

    fn add(&mut self, name: impl Into<String>, token: impl Into<String>) {
        self.list.push(Hostile { name: name.into(), token: token.into() });
    }

    fn signed(&mut self, name: impl Into<String>, header: &str, claims: &str) {
        let token = sign(self.loot.secret.as_bytes(), header, claims);
        self.add(name, token);
    }

    fn without_signature(mut self) -> Self {
        let live = self.loot.live.to_owned();
        let payload = part(&live, 2).unwrap_or_default().to_owned();
        for alg in ["none", "None", "NONE", "nOnE", "none ", ""] {
            let header = encode(format!(r#"{{"alg":"{alg}","typ":"JWT"}}"#));
            self.add(format!("alg {alg:?}, live claims, no signature"), format!("{header}.{payload}."));
            let own = encode(self.claims());
            self.add(format!("alg {alg:?}, own claims, no signature"), format!("{header}.{own}."));
        }
        let none = encode(r#"{"alg":"none","typ":"JWT"}"#);
        let signature = part(&live, 3).unwrap_or_default().to_owned();
        self.add("alg none with the live signature", format!("{none}.{payload}.{signature}"));
        self.add("alg none, two parts", format!("{none}.{payload}"));
        let claims = self.claims();
        self.signed("alg none, signed with the secret all the same", r#"{"alg":"none","typ":"JWT"}"#, &claims);
        self.add("the live token without its signature", format!("{}.{payload}.", part(&live, 1).unwrap_or_default()));
        self.signed("no alg", r#"{"typ":"JWT"}"#, &claims);
        self.signed("alg null", r#"{"alg":null,"typ":"JWT"}"#, &claims);
        self.signed("alg a list", r#"{"alg":["HS256","none"],"typ":"JWT"}"#, &claims);
        self.signed("alg twice, none last", r#"{"alg":"HS256","alg":"none"}"#, &claims);
        self.signed("alg twice, none first", r#"{"alg":"none","alg":"HS256"}"#, &claims);
        self.signed("alg in lower case", r#"{"alg":"hs256","typ":"JWT"}"#, &claims);
        self
    }

    fn with_foreign_keys(mut self) -> Self {
        let claims = self.claims();
        let key = self.loot.public_key.to_owned();
        let body: String = key.lines().filter(|line| !line.starts_with("-----")).collect();
        let der = STANDARD.decode(&body).unwrap_or_default();
        for (name, secret) in [
            ("the published key as PEM", key.clone().into_bytes()),
            ("the published key as PEM without its last newline", key.trim_end().as_bytes().to_vec()),
            ("the published key as base64", body.into_bytes()),
            ("the published key as DER", der),
            ("another secret", b"another secret".to_vec()),
            ("the empty secret", Vec::new()),
            ("eight zero bytes and a one", vec![0, 0, 0, 0, 0, 0, 0, 0, 1]),
            ("the word secret", b"secret".to_vec()),
            ("the secret cut short", self.loot.secret.as_bytes()[..16].to_vec()),
            ("the secret with a newline", format!("{}\n", self.loot.secret).into_bytes()),
            ("the secret as base64", STANDARD.encode(self.loot.secret).into_bytes()),
        ] {
            self.add(format!("signed with {name}"), sign(&secret, HEADER, &claims));
        }
        let past = self.claims_with_end(&format!(r#""exp":{}"#, self.loot.now - 60));
        self.add("expired and signed with another secret", sign(b"another secret", HEADER, past));
        for alg in ["RS256", "PS256", "ES256", "ES256K", "EdDSA", "HS384", "HS512"] {
            let header = format!(r#"{{"alg":"{alg}","typ":"JWT"}}"#);
            self.signed(format!("alg {alg}, signed as HS256 with the secret"), &header, &claims);
            let token = sign(key.as_bytes(), &header, &claims);
            self.add(format!("alg {alg}, signed as HS256 with the published key"), token);
        }
        // ECDSA as all zeros (r = s = 0), which a well-known implementation accepted for any message.
        let header = encode(r#"{"alg":"ES256","typ":"JWT"}"#);
        self.add("ES256 of zeros", format!("{header}.{}.{}", encode(&claims), encode([0; 64])));
        self
    }

    fn with_strange_headers(mut self) -> Self {
        let claims = self.claims();
        let jwk = format!(r#"{{"kty":"oct","k":"{}"}}"#, encode("attacker"));
        for (name, member) in [
            ("kid a path", r#""kid":"../../../../dev/null""#.to_owned()),
            ("kid a path to an empty file", r#""kid":"/proc/sys/kernel/randomize_va_space""#.to_owned()),
            ("kid SQL", r#""kid":"x' UNION SELECT 'attacker' -- ""#.to_owned()),
            ("kid a command", r#""kid":"key; sleep 10""#.to_owned()),
            ("kid a URL", r#""kid":"https://attacker.example/key""#.to_owned()),
            ("kid empty", r#""kid":"""#.to_owned()),
            ("kid a number", r#""kid":1"#.to_owned()),
            ("kid an object", r#""kid":{"$ne":null}"#.to_owned()),
            ("kid with U+0000", r#""kid":"a\u0000b""#.to_owned()),
            ("kid of 20,000 characters", format!(r#""kid":"{}""#, "k".repeat(20_000))),
            ("jku", r#""jku":"https://attacker.example/jwks.json""#.to_owned()),
            ("jku on the machine itself", r#""jku":"http://127.0.0.1:1/jwks.json""#.to_owned()),
            ("x5u", r#""x5u":"https://attacker.example/chain.pem""#.to_owned()),
            ("x5c", format!(r#""x5c":["{}"]"#, STANDARD.encode("attacker"))),
            ("jwk", format!(r#""jwk":{jwk}"#)),
            ("crit of something unknown", r#""crit":["x"],"x":1"#.to_owned()),
            ("crit empty", r#""crit":[]"#.to_owned()),
            ("crit of exp", r#""crit":["exp"],"exp":1"#.to_owned()),
            ("b64 false", r#""b64":false,"crit":["b64"]"#.to_owned()),
            ("b64 false without crit", r#""b64":false"#.to_owned()),
            ("zip", r#""zip":"DEF""#.to_owned()),
            ("cty a token in a token", r#""cty":"JWT""#.to_owned()),
            ("typ at+jwt", r#""typ":"at+jwt""#.to_owned()),
        ] {
            let header = format!(r#"{{"alg":"HS256",{member}}}"#);
            self.signed(format!("{name}, leaked secret"), &header, &claims);
            self.add(format!("{name}, the attacker's secret"), sign(b"attacker", header, &claims));
        }
        let encryption = encode(r#"{"alg":"dir","enc":"A256GCM"}"#);
        self.add("an encrypted token (JWE)", format!("{encryption}..AAAAAAAAAAAAAAAA.AAAA.AAAAAAAAAAAAAAAAAAAAAA"));
        for (name, header) in
            [("a list", "[]"), ("null", "null"), ("a text", r#""HS256""#), ("empty", ""), ("cut", "{")]
        {
            self.signed(format!("header: {name}"), header, &claims);
        }
        self
    }

    fn with_strange_claims(mut self) -> Self {
        let now = self.loot.now;
        let far = now + 3_600;
        for (name, exp) in [
            ("missing", r#""x":1"#.to_owned()),
            ("null", r#""exp":null"#.to_owned()),
            ("text of digits", format!(r#""exp":"{far}""#)),
            ("a word", r#""exp":"never""#.to_owned()),
            ("a fraction", format!(r#""exp":{far}.5"#)),
            ("negative", r#""exp":-1"#.to_owned()),
            ("zero", r#""exp":0"#.to_owned()),
            ("past", format!(r#""exp":{}"#, now - 1)),
            ("now", format!(r#""exp":{now}"#)),
            ("1e400", r#""exp":1e400"#.to_owned()),
            ("-1e400", r#""exp":-1e400"#.to_owned()),
            ("1e308", r#""exp":1e308"#.to_owned()),
            ("beyond 64 bits", r#""exp":18446744073709551616"#.to_owned()),
            ("the largest of 64 bits", r#""exp":9223372036854775807"#.to_owned()),
            ("in milliseconds", format!(r#""exp":{far}000"#)),
            ("NaN", r#""exp":NaN"#.to_owned()),
            ("Infinity", r#""exp":Infinity"#.to_owned()),
            ("true", r#""exp":true"#.to_owned()),
            ("a list", format!(r#""exp":[{far}]"#)),
            ("twice, past last", format!(r#""exp":{far},"exp":1"#)),
            ("twice, past first", format!(r#""exp":1,"exp":{far}"#)),
        ] {
            let claims = self.claims_with_end(&exp);
            self.signed(format!("exp {name}"), HEADER, &claims);
        }
        for (name, member) in [
            ("nbf in the future", format!(r#""nbf":{far}"#)),
            ("iat in the future", format!(r#""iat":{far}"#)),
            ("another user first", r#""username":"admin""#.to_owned()),
            ("an audience", r#""aud":"someone""#.to_owned()),
            ("an issuer", r#""iss":"https://attacker.example""#.to_owned()),
            ("staff", r#""is_staff":true,"is_superuser":true"#.to_owned()),
            ("token_type refresh first", r#""token_type":"refresh""#.to_owned()),
            ("U+0000 and a lone surrogate", r#""x":"\u0000\ud800""#.to_owned()),
            ("nested 3,000 deep", format!(r#""x":{}{}"#, "[".repeat(3_000), "]".repeat(3_000))),
            ("a key that objects inherit", r#""__proto__":{"is_staff":true}"#.to_owned()),
        ] {
            let claims = self.claims_with(&member);
            self.signed(format!("claims with {name}"), HEADER, &claims);
        }
        for (name, payload) in [
            ("a list", "[]"),
            ("null", "null"),
            ("a text", r#""alice""#),
            ("a number", "1"),
            ("empty", ""),
            ("cut", "{"),
        ] {
            self.signed(format!("payload: {name}"), HEADER, payload);
        }
        let token = sign(self.loot.secret.as_bytes(), HEADER, b"{\"username\":\"\xff\"}");
        self.add("payload: not UTF-8", token);
        self
    }

    /// With the right secret and valid claims, but never issued.
    fn never_issued(mut self) -> Self {
        let (now, far) = (self.loot.now, self.loot.now + 3_600);
        let jti = "00112233445566778899aabbccddeeff";
        for (name, claims) in [
            (
                "drf_jwt",
                format!(
                    r#"{{"user_id":1,"email":"alice@example.com","username":"alice","exp":{far},"orig_iat":{now}}}"#
                ),
            ),
            (
                "drf_jwt with a jti",
                format!(
                    r#"{{"user_id":1,"email":"alice@example.com","username":"alice","exp":{far},"orig_iat":{now},"jti":"{jti}"}}"#
                ),
            ),
            (
                "simplejwt access",
                format!(r#"{{"token_type":"access","exp":{far},"iat":{now},"jti":"{jti}","user_id":1}}"#),
            ),
            (
                "simplejwt refresh",
                format!(r#"{{"token_type":"refresh","exp":{far},"iat":{now},"jti":"{jti}","user_id":1}}"#),
            ),
            (
                "simplejwt sliding",
                format!(r#"{{"token_type":"sliding","exp":{far},"iat":{now},"jti":"{jti}","user_id":1}}"#),
            ),
            (
                "of a user who does not exist",
                format!(r#"{{"username":"nobody","user_id":4711,"token_type":"access","exp":{far},"jti":"{jti}"}}"#),
            ),
            ("of nobody", "{}".to_owned()),
        ] {
            self.signed(format!("never issued: {name}"), HEADER, &claims);
        }
        let header = r#"{"typ":"JWT","alg":"HS256"}"#;
        let claims = self.claims();
        self.signed("never issued: header in another order", header, &claims);
        self
    }

    /// Variations of the live token.
    fn nearly_live(mut self) -> Self {
        let live = self.loot.live.to_owned();
        let [header, payload, signature] = [1, 2, 3].map(|number| part(&live, number).unwrap_or_default().to_owned());
        let claims = self.claims();
        let (own, secret) = (encode(&claims), self.loot.secret.as_bytes().to_vec());
        // Base64 has padding unless the length is a multiple of three, and four question marks in a row encode to a
        // slash.
        let padded = format!("{claims}{}", if claims.len().is_multiple_of(3) { " " } else { "" });
        let slashed = self.claims_with(r#""x":"????""#);
        self.add("live with the last letter twiddled", twiddled(&live).unwrap_or_default());
        for (name, end) in [("=", "="), ("==", "=="), ("a dot", "."), ("a fourth part", ".x"), ("U+0000", "\0")] {
            self.add(format!("live followed by {name}"), format!("{live}{end}"));
        }
        self.add("live cut by one letter", &live[..live.len() - 1]);
        self.add("live with another letter at its end", format!("{}{}", &live[..live.len() - 1], "*"));
        self.add("live in upper case", live.to_uppercase());
        self.add("live twice", format!("{live}{live}"));
        self.add("live in quotes", format!("\"{live}\""));
        self.add("live with a space inside", live.replacen('.', ". ", 1));
        self.add(
            "live with a newline inside its signature",
            format!("{header}.{payload}.{}\n{}", &signature[..9], &signature[9..]),
        );
        self.add("live with escaped dots", live.replace('.', "%2E"));
        self.add("live with full-width dots", live.replace('.', "\u{ff0e}"));
        self.add("live with an invisible character", format!("{live}\u{200b}"));
        self.add(
            "live as a JSON serialisation",
            format!(r#"{{"payload":"{payload}","protected":"{header}","signature":"{signature}"}}"#),
        );
        self.add(
            "live claims, the signature's halves swapped",
            format!("{header}.{payload}.{}{}", &signature[21..], &signature[..21]),
        );
        self.add("other claims under the live signature", format!("{header}.{own}.{signature}"));
        self.add(
            "live with padded parts",
            live.split('.').map(|part| format!("{part}==")).collect::<Vec<_>>().join("."),
        );
        self.add(
            "padded parts, signed so",
            seal(&secret, &format!("{}.{}", URL_SAFE.encode(HEADER), URL_SAFE.encode(&padded))),
        );
        self.add(
            "parts in the other alphabet",
            seal(&secret, &format!("{}.{}", STANDARD.encode(HEADER), STANDARD.encode(&slashed))),
        );
        self.add("a token in a token", sign(&secret, HEADER, format!(r#"{{"token":"{live}"}}"#)));
        self.add("the live token as payload", seal(&secret, &format!("{header}.{live}")));
        self
    }

    fn no_tokens(mut self) -> Self {
        let huge = format!(r#"{{"x":"{}"}}"#, "x".repeat(9_000));
        self.signed("huge claims", HEADER, &huge);
        self.add("dots without parts", "..");
        self.add("one dot", ".");
        self.add("a thousand dots", ".".repeat(1_000));
        self.add("no signature, no payload", format!("{}..", encode(HEADER)));
        self.add("letters that are no base64", "!!!.???.***");
        self.add("unicode", "жетон.токен.标记");
        self.add("U+0000", "\0.\0.\0");
        self.add("parts of one letter", "a.b.c");
        self.add("the word null", "null");
        self.add("SQL", "' OR 1=1 --");
        self.add("40 hex digits", "0".repeat(40));
        self
    }
}
