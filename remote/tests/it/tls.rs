//! Servers that speak TLS.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use knoxide_remote::{Remote, SetupError, Unavailable};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::calls::answer;
use crate::server::{Call, ID, PATIENCE, SECRET, serve};

/// An authority, in PEM, and a server on `localhost` with a certificate from it for this name.
fn server(name: &str) -> (String, u16, Receiver<Call>) {
    let mut params = CertificateParams::new(Vec::new()).expect("parameters");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority");
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec![name.to_owned()]).expect("parameters");
    let certificate = params.signed_by(&key, &authority).expect("a certificate");
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).expect("a key"))
        .expect("a configuration");
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let (sender, calls) = channel();
    thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let connection = ServerConnection::new(Arc::clone(&config)).expect("a connection");
            let (stream, sender) = (StreamOwned::new(connection, stream.expect("a stream")), sender.clone());
            thread::spawn(move || serve(stream, number, &sender));
        }
    });
    (authority.pem(), port, calls)
}

fn remote(port: u16, ca: &str) -> Remote {
    let url = format!("https://localhost:{port}/");
    Remote::at(&url, ID, SECRET).ca(ca).timeout(PATIENCE).build().expect("a client")
}

#[test]
fn a_certificate_of_the_given_authority_is_believed() {
    let (ca, port, calls) = server("localhost");
    let check = remote(port, &ca).check("live-1");
    calls.recv_timeout(PATIENCE).expect("a call").judge();
    assert_eq!(answer(check), Ok(Some(1)));
}

#[test]
fn a_certificate_of_another_authority_or_name_is_not_believed() {
    let (_, port, calls) = server("localhost");
    let (other_ca, ..) = server("localhost");
    assert_eq!(answer(remote(port, &other_ca).check("live-1")), Err(Unavailable));
    assert!(calls.try_recv().is_err(), "nothing was sent");
    let (ca, port, calls) = server("example.com");
    assert_eq!(answer(remote(port, &ca).check("live-1")), Err(Unavailable));
    assert!(calls.try_recv().is_err(), "nothing was sent");
}

#[test]
fn authorities_that_cannot_be_read_are_an_error() {
    for pem in ["", "no PEM", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        let built = Remote::at("https://localhost/", ID, SECRET).ca(pem).build();
        assert!(matches!(built, Err(SetupError::Authorities(_))), "{pem}");
    }
}
