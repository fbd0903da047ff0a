//! The settings of the administration API.

use super::*;

#[test]
fn it_listens_beside_the_usual_port_or_elsewhere_or_not() {
    let listen = |value: &str| {
        let admin = read(&[("KNOXIDE_ADMIN_LISTEN", value)]).expect("settings").admin;
        admin.listen.map(|address| address.to_string())
    };
    let default = Settings::default().admin.listen.map(|address| address.to_string());
    assert_eq!(default.as_deref(), Some("127.0.0.1:8081"));
    assert_eq!([listen("off"), listen("Off"), listen("OFF")], [None, None, None]);
    for address in ["0.0.0.0:80", "[::1]:9", "unix:/run/knoxide/admin.sock"] {
        assert_eq!(listen(address).as_deref(), Some(address));
    }
    for wrong in ["none", "8081", "127.0.0.1:1,127.0.0.1:2"] {
        let mistake = read(&[("KNOXIDE_ADMIN_LISTEN", wrong)]).expect_err("a mistake").to_string();
        assert!(mistake.contains("KNOXIDE_ADMIN_LISTEN") && mistake.contains("or off"), "{mistake}");
    }
}

#[test]
fn hosts_are_names_without_ports() {
    let hosts = |value: &str| read(&[("KNOXIDE_ADMIN_HOSTS", value)]).map(|settings| settings.admin.hosts);
    let read = hosts("Admin.example.org, 127.0.0.1,[::1]").expect("hosts");
    let shown: Vec<_> = read.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["admin.example.org", "127.0.0.1", "[::1]"]);
    for wrong in ["https://admin.example.org", "admin.example.org:8081", "a,A", "a b"] {
        assert!(hosts(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn addresses_that_take_each_others_connections_are_refused() {
    let read = |listen: &str, admin: &str| read(&[("KNOXIDE_LISTEN", listen), ("KNOXIDE_ADMIN_LISTEN", admin)]);
    for (listen, admin, named) in [
        ("0.0.0.0:80,127.0.0.1:80", "off", "KNOXIDE_LISTEN"),
        ("[::1]:80,[::]:80", "off", "KNOXIDE_LISTEN"),
        ("[::]:80", "127.0.0.1:80", "KNOXIDE_ADMIN_LISTEN"),
        ("[::]:80", "[::1]:80", "KNOXIDE_ADMIN_LISTEN"),
        ("0.0.0.0:80", "127.0.0.1:80", "KNOXIDE_ADMIN_LISTEN"),
        ("127.0.0.1:80", "0.0.0.0:80", "KNOXIDE_ADMIN_LISTEN"),
        ("[::1]:80", "[::]:80", "KNOXIDE_ADMIN_LISTEN"),
    ] {
        let mistakes = read(listen, admin).expect_err(listen).0;
        let [mistake] = &mistakes[..] else { panic!("{listen} {admin}: {mistakes:?}") };
        let words = if admin == "off" { "remove one of them" } else { "give it another port" };
        assert!(mistake.subject == named && mistake.problem.contains(words), "{listen} {admin}: {mistake}");
    }
    for (listen, admin) in [
        ("0.0.0.0:0,127.0.0.1:0", "[::]:0"),
        ("0.0.0.0:80,[::]:80", "off"),
        ("[::]:80,127.0.0.2:80", "127.0.0.1:80"),
        ("127.0.0.1:80", "[::]:80"),
        ("[::]:80", "[::]:80"),
        ("127.0.0.1:80,127.0.0.2:80", "127.0.0.3:80"),
        ("[::]:80", "127.0.0.1:81"),
    ] {
        read(listen, admin).unwrap_or_else(|mistakes| panic!("{listen} {admin}: {mistakes}"));
    }
}
