//! The transcripts, played against the Django packages. `scripts/compare` starts the site in `tests/packages` and then
//! runs this test.

use std::net::SocketAddr;

use knoxide::domain::dialect::Dialect;
use knoxide::domain::time::Timestamp;

use crate::harness::app::start_of_time;
use crate::harness::transcript::director::{Directive, Director};
use crate::harness::transcript::notation::Pattern;
use crate::harness::transcript::player::{Caching, Player};
use crate::harness::transcript::{Case, Transcript};
use crate::harness::wire::{Request, Wire};
use crate::harness::{fixture, setting};

/// The reply of a Django package where `# differs:` marks ours as different: the beginning of the mark, then the status
/// and the body of the package's reply. Other marks accept any reply of the package.
const OF_THE_PACKAGE: &[(&str, Option<u16>, PackageBody)] = &[
    ("documented: 200 without a body; the package answers 204", Some(204), PackageBody::AsOurs),
    ("documented: 200, where the package says 204", Some(204), PackageBody::AsOurs),
    ("documented: [], where the package says {}", Some(200), PackageBody::Is("{}")),
    ("documented: 400 with non_field_errors, where the package says 401", Some(401), PackageBody::Detail),
    ("ours: the token is deleted, and so unknown; the package says", Some(401), PackageBody::Is(BLACKLISTED)),
    ("ours: the session is over with all its tokens, where the package says {}", Some(200), PackageBody::Is("{}")),
    ("ours: the case of a domain does not count", Some(401), PackageBody::Is(NO_ACCOUNT)),
    ("ours: a jti, so that no two tokens are alike", None, PackageBody::WithoutJti),
    ("ours: the package redirects with 301", Some(301), PackageBody::Page),
    ("crash: the package fails with 500", Some(500), PackageBody::Page),
    ("artefact: the package answers in HTML", None, PackageBody::Page),
    ("artefact: the package says 400 in HTML", Some(400), PackageBody::Page),
];

const BLACKLISTED: &str = r#"{"detail":"Token is blacklisted","code":"token_not_valid"}"#;

const NO_ACCOUNT: &str = r#"{"detail":"No active account found with the given credentials"}"#;

#[derive(Debug, Clone, Copy)]
enum PackageBody {
    /// The same as ours.
    AsOurs,
    /// This one.
    Is(&'static str),
    /// Our `non_field_errors` as `detail`, possibly with a `code`, and with simplejwt's challenge.
    Detail,
    /// Ours, but without the claim `jti`, so that tokens issued within one second are identical.
    WithoutJti,
    /// Not compared, nor are its headers: a page of Django, or nothing.
    Page,
}

/// The results of the cases of one dialect.
#[derive(Debug, Default)]
struct Tally {
    agree: usize,
    /// The Django package's reply is the one that the mark describes.
    as_marked: usize,
    /// The mark does not say what the Django package replies; its reply differs from ours.
    differ: usize,
    /// As above, but the Django package replies as we do.
    alike: Vec<String>,
    /// A difference that has no mark, or another one than the mark describes.
    wrong: Vec<String>,
    /// The request needs a value from an earlier reply, and that reply was wrong.
    unplayed: usize,
}

impl Tally {
    fn count(&mut self, place: &str, mark: Option<&str>, known: bool, differences: &[String]) {
        if differences.iter().any(|difference| difference.starts_with("nothing is known as")) {
            self.unplayed += 1;
            return;
        }
        match (mark, known, differences.is_empty()) {
            (None, _, true) => self.agree += 1,
            (Some(_), true, true) => self.as_marked += 1,
            (Some(_), false, false) => self.differ += 1,
            (Some(mark), false, true) => self.alike.push(format!("{place}\n  no difference, but marked: {mark}")),
            (None, _, false) | (Some(_), true, false) => {
                self.wrong.push(format!("{place}\n  {}", differences.join("\n  ")));
            }
        }
    }
}

/// The site, whose clock and users can be changed.
struct Site(SocketAddr);

impl Site {
    /// Runs a directive and returns the time on the site's clock.
    fn tell(&self, what: &str) -> Result<Timestamp, String> {
        let request = Request::new("GET", &format!("/-/{what}"));
        let reply = Wire::connect(self.0).and_then(|mut wire| wire.ask(&request)).map_err(|error| error.to_string())?;
        let time = reply.text().parse().map_err(|_| format!("{what}: {} {}", reply.status, reply.text()))?;
        Ok(Timestamp::from_micros(time))
    }
}

impl Director for Site {
    fn now(&self) -> Timestamp {
        self.tell("advance/0").expect("the site's time")
    }

    fn direct(&self, directive: &Directive) -> Result<(), String> {
        let what = match directive {
            Directive::Advance(by) => format!("advance/{}", by.as_secs()),
            Directive::Deactivate(name) => format!("deactivate/{name}"),
            Directive::Activate(name) => format!("activate/{name}"),
            Directive::End(name) => format!("end/{name}"),
        };
        self.tell(&what).map(drop)
    }
}

#[test]
#[ignore = "scripts/compare starts the site that it needs"]
fn the_packages_reply_as_the_transcripts_say() {
    let address = setting("KNOXIDE_TEST_DJANGO").expect("scripts/compare runs this test");
    let site = Site(address.parse().expect("an address"));
    let mut wrong = 0;
    for dialect in Dialect::ALL {
        let tally = play(dialect, &site);
        for line in tally.wrong.iter().chain(&tally.alike) {
            println!("{line}");
        }
        println!(
            "{}: {} agree; marked: {} as the mark says, {} differ, {} alike; {} WRONG, {} not played, since they build on a wrong one",
            dialect.as_str(),
            tally.agree,
            tally.as_marked,
            tally.differ,
            tally.alike.len(),
            tally.wrong.len(),
            tally.unplayed
        );
        wrong += tally.wrong.len();
    }
    assert_eq!(wrong, 0, "replies of the packages that the transcripts do not know");
}

/// Plays all files of a dialect, each on a site with fresh users.
fn play(dialect: Dialect, site: &Site) -> Tally {
    let folder = fixture::path("transcripts");
    let mut tally = Tally::default();
    for mut transcript in Transcript::read_all(&folder, dialect.as_str()).expect("transcripts") {
        site.tell(&format!("reset/{}", start_of_time())).expect("a fresh site");
        let known: Vec<bool> = transcript.cases.iter_mut().map(expect_the_package).collect();
        let mut player = Player::new(site.0, Caching::Unchecked, fixture::variables()).directed_by(site);
        let mut wire = Wire::connect(site.0).expect("a connection");
        for (case, known) in transcript.cases.iter().zip(known) {
            let differences = player.play_case(&mut wire, &transcript, case);
            let place = format!("{}: {}:{}: {}", dialect.as_str(), transcript.name, case.line, case.name);
            tally.count(&place, case.differs.as_deref(), known, &differences);
        }
    }
    tally
}

/// Replaces our reply by the Django package's, if the mark says what that is; returns whether it does.
fn expect_the_package(case: &mut Case) -> bool {
    let mark = case.differs.as_deref().unwrap_or_default();
    let Some((_, status, body)) = OF_THE_PACKAGE.iter().find(|(start, ..)| mark.starts_with(start)) else {
        return false;
    };
    let expect = &mut case.expect;
    expect.status = status.unwrap_or(expect.status);
    let ours = expect.body.source();
    let theirs = match body {
        PackageBody::AsOurs => ours.to_owned(),
        PackageBody::Is(body) => (*body).to_owned(),
        PackageBody::Detail => {
            let challenge = Pattern::parse("Bearer realm=\"api\"").expect("a pattern");
            expect.headers.push(("WWW-Authenticate".to_owned(), Some(challenge)));
            let text = ours.strip_prefix(r#"{"non_field_errors":["#).and_then(|rest| rest.strip_suffix("]}"));
            text.map_or_else(|| ours.to_owned(), |text| format!(r#"{{"detail":{text}*"#))
        }
        PackageBody::WithoutJti => {
            let jti = r#""jti":"<32 hex>""#;
            ours.replace(&format!(",{jti}"), "").replace(&format!("{jti},"), "").replace("<new jwt", "<jwt")
        }
        PackageBody::Page => {
            case.controls.bare = true;
            expect.headers.clear();
            "*".to_owned()
        }
    };
    expect.body = Pattern::parse(&theirs).expect("a pattern");
    true
}
