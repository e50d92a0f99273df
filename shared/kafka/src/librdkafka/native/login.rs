//! Logins that change while a client lives.

use std::ffi::{c_char, c_void};
use std::ptr;

use kernel::Secret;
use rdkafka_sys::{
    rd_kafka_conf_enable_sasl_queue, rd_kafka_conf_set_oauthbearer_token_refresh_cb, rd_kafka_oauthbearer_set_token,
    rd_kafka_oauthbearer_set_token_failure, rd_kafka_resp_err_t, rd_kafka_sasl_background_callbacks_enable, rd_kafka_sasl_set_credentials,
    rd_kafka_t,
};

use super::admin::c_string;
use super::code::{Code, Failure};
use super::conf::Conf;
use super::handle::{Handle, observer};
use super::text;

/// Makes a client ask its observer for tokens, which never come from `sasl.oauthbearer.*`.
pub(super) fn ask_for_tokens(conf: &mut Conf) {
    // SAFETY: a valid conf, and a callback that fits.
    unsafe {
        rd_kafka_conf_set_oauthbearer_token_refresh_cb(conf.as_ptr(), Some(on_token_wanted));
        rd_kafka_conf_enable_sasl_queue(conf.as_ptr(), 1);
    }
}

impl Handle {
    /// Lets librdkafka ask for tokens from its own thread, so that one is renewed even if nothing
    /// polls.
    pub(super) fn ask_in_background(&self) -> Result<(), Failure> {
        // SAFETY: a valid instance; the error, if any, is ours.
        unsafe { Failure::check(rd_kafka_sasl_background_callbacks_enable(self.as_ptr())) }
    }

    /// Gives the client a token that is valid until `expires` (milliseconds since 1970). It asks
    /// for the next one when a fifth of the time is left.
    ///
    /// # Errors
    /// It has expired, or contains invalid characters.
    pub(crate) fn set_token(&self, token: &Secret, expires: i64) -> Result<(), Failure> {
        let token = c_string(token.reveal()).map_err(|_| Failure::new(Code::INVALID_ARG, "the token contains a NUL byte"))?;
        let mut error = [0 as c_char; 512];
        // SAFETY: a valid instance, two C strings, no extensions, and a buffer with its size; all
        // are copied. The answer is a code of librdkafka itself, which its enum has.
        let answer = unsafe {
            rd_kafka_oauthbearer_set_token(
                self.as_ptr(),
                token.as_ptr(),
                expires,
                c"kafka-backup".as_ptr(),
                ptr::null_mut(),
                0,
                error.as_mut_ptr(),
                error.len(),
            )
        };
        match answer {
            rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(()),
            // SAFETY: the buffer was zeroed, and librdkafka ends what it writes in NUL.
            code => Err(Failure::new(Code(code as i32), unsafe { text(error.as_ptr()) })),
        }
    }

    /// Reports that there is no token, and why. The client keeps its current one, asks again in ten
    /// seconds, and reports a problem.
    pub(crate) fn no_token(&self, reason: &str) {
        let reason = c_string(&reason.replace('\0', " ")).unwrap_or_default();
        // SAFETY: a valid instance and a C string, which is copied. It fails only for clients that
        // use no tokens.
        unsafe { rd_kafka_oauthbearer_set_token_failure(self.as_ptr(), reason.as_ptr()) };
    }

    /// Another user and password, for new connections.
    pub(crate) fn set_password(&self, user: &str, password: &Secret) -> Result<(), Failure> {
        let nul = |_| Failure::new(Code::INVALID_ARG, "the login contains a NUL byte");
        let (user, password) = (c_string(user).map_err(nul)?, c_string(password.reveal()).map_err(nul)?);
        // SAFETY: a valid instance and two C strings, which are copied; the error, if any, is ours.
        unsafe { Failure::check(rd_kafka_sasl_set_credentials(self.as_ptr(), user.as_ptr(), password.as_ptr())) }
    }
}

unsafe extern "C" fn on_token_wanted(_: *mut rd_kafka_t, _: *const c_char, opaque: *mut c_void) {
    // SAFETY: librdkafka passes the opaque pointer of the instance.
    if let Some(observer) = unsafe { observer(opaque) } {
        observer.want_login();
    }
}
