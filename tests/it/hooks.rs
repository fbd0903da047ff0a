//! An application with external users: ended sessions stay ended, even if a login's password is being checked at the
//! time.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use knoxide::domain::audit::{Event, Origin};
use knoxide::domain::dialect::Dialect;
use knoxide::domain::user::{LoginName, Password, UserId};
use knoxide::service::{
    Activity, Auth, ExternalUser, Issued, LoginError, LoginRefusal, LoginRequest, UserProvider, UserProviderError,
};
use knoxide::store::AdminStore as _;
use knoxide::store::{LastAdmin, UserChanged};

use crate::harness::app::{App, on_each_database};

/// Reports that a login waits, and receives the signal to continue.
type Gate = (Sender<()>, Receiver<()>);

/// Accepts every login, and can be held while it does so.
#[derive(Clone, Default)]
struct Hook {
    held: Arc<Mutex<Option<Gate>>>,
}

impl UserProvider for Hook {
    fn verify(&self, login: &LoginName, _: &Password) -> Result<Option<ExternalUser>, UserProviderError> {
        if let Some((asked, go_on)) = self.held.lock().expect("no panic").take() {
            asked.send(()).expect("a test that waits");
            go_on.recv().expect("a test that goes on");
        }
        let (LoginName::Username(name) | LoginName::Email(name)) = login;
        let user = ExternalUser { id: UserId(7), username: name.clone(), email: String::new(), is_staff: false };
        Ok(Some(user))
    }
}

fn log_in(auth: &Auth) -> Result<Issued, LoginError> {
    let request = LoginRequest {
        dialect: Dialect::Knox,
        login: LoginName::Username("ada".to_owned()),
        password: Password::new("lovelace".to_owned()),
        session_name: None,
        origin: Origin::default(),
    };
    actix_web::rt::System::new().block_on(auth.login(request))
}

fn is_live(auth: &Auth, issued: &Issued) -> bool {
    actix_web::rt::System::new().block_on(auth.check(&issued.access.token, Activity::Ignored)).is_ok()
}

on_each_database! {
    fn a_login_does_not_outlive_what_ends_its_users_sessions(backend) {
        let app = App::start(backend);
        let hook = Hook::default();
        let auth = Auth::builder(Arc::clone(&app.store)).user_provider(hook.clone()).build().expect("a service");
        let first = log_in(&auth).expect("a login");
        assert!(is_live(&auth, &first));
        // The provider has accepted the login; before the session is opened, all of the user's sessions are ended.
        let ((asked, was_asked), (go_on, may_go_on)) = (channel(), channel());
        *hook.held.lock().expect("no panic") = Some((asked, may_go_on));
        let overtaken = std::thread::scope(|scope| {
            let login = scope.spawn(|| log_in(&auth));
            was_asked.recv().expect("the hook is asked");
            let ended = app.connection().end_all_sessions(UserId(7), &app.audit(Event::LogoutAll));
            assert_eq!(ended, Ok(true));
            go_on.send(()).expect("a hook that waits");
            login.join().expect("no panic")
        });
        assert!(matches!(overtaken, Err(LoginError::Unavailable(_))), "{overtaken:?}");
        assert!(!is_live(&auth, &first));
        assert!(is_live(&auth, &log_in(&auth).expect("a login")));
    }

    fn a_login_does_not_activate_its_user(backend) {
        let app = App::start(backend);
        let auth = Auth::builder(Arc::clone(&app.store)).user_provider(Hook::default()).build().expect("a service");
        log_in(&auth).expect("a login");
        let audit = app.audit(Event::Deactivated);
        assert_eq!(app.store.set_active(UserId(7), false, LastAdmin::MayGo, &audit), Ok(UserChanged::Done));
        let refused = log_in(&auth).expect_err("an inactive user");
        assert!(matches!(refused, LoginError::Refused { why: LoginRefusal::InactiveUser, .. }), "{refused:?}");
        assert_eq!(app.store.set_active(UserId(7), true, LastAdmin::MayGo, &app.audit(Event::Activated)), Ok(UserChanged::Done));
        assert!(is_live(&auth, &log_in(&auth).expect("a login")));
    }
}
