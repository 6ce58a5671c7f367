/// Set an alert.
#[cfg(unix)]
fn r#match(r#type: &str, price: Option<f64>, token: String) {}
#[cfg(unix)]
#[doc(hidden)]
#[allow(non_camel_case_types, unreachable_pub)]
enum r#match {}
const _: () = {
    #[allow(unused_imports)]
    use ::renamed::__private::{
        self as __candor, FailedWithBox as _, FailedWithText as _, FailsWithBox as _,
        FailsWithText as _, Succeeds as _,
    };
    impl __candor::Named for r#match {
        const NAME: &'static __candor::str = "set-alert";
        const DESCRIPTOR: &'static __candor::Descriptor = &__candor::Descriptor {
            name: "set-alert",
            title: "Set an alert",
            description: "Set an alert.",
            aliases: &["add_alert", "alert"],
            effect: __candor::Effect::Additive,
            idempotent: true,
            scopes: &["write:alerts", "read:prices"],
            confirm: __candor::Confirm::Always,
            idempotency_key: __candor::IdempotencyKey::Required,
            task: __candor::Some(__candor::Task::Optional),
            unsandboxed: __candor::Some("writes to its own cache file"),
            public_effect: __candor::Some("posts to the public timeline"),
            rate: __candor::Some(__candor::Rate {
                calls: 60u32,
                per: __candor::Per::Minute,
            }),
            max_in_flight: __candor::Some(8u32),
            timeout: __candor::Duration::from_millis(90000u64),
            retry: 3u32,
            deprecated: __candor::Some(__candor::Deprecated {
                since: "0.0.1",
                remove_in: "1000.0.0",
                use_instead: __candor::Some(<alerts::add as __candor::Named>::NAME),
            }),
            params: &[
                __candor::Param {
                    name: "kind",
                    description: "The kind of alert.",
                    example: __candor::Some(__candor::Literal::Text("above")),
                    min_len: __candor::Some(1u64),
                    max_len: __candor::Some(8u64),
                    ..<::std::string::String as __candor::Argument>::PARAM
                },
                __candor::Param {
                    name: "price",
                    description: "The price.",
                    optional: true,
                    min: __candor::Some(__candor::Literal::Float(-0.5)),
                    max: __candor::Some(__candor::Literal::Float(1000000.0)),
                    volatile: true,
                    ..<Option<f64> as __candor::Argument>::PARAM
                },
                __candor::Param {
                    name: "token",
                    description: ::core::concat!(concat!("The caller's ", "token.")),
                    secret: true,
                    ..<String as __candor::Argument>::PARAM
                },
            ],
            rules: &[
                __candor::Rule::When {
                    param: "kind",
                    is: __candor::Literal::Text("above"),
                    then: &["price"],
                    otherwise: &[],
                },
            ],
            output: __candor::Returned::<()>::schema,
            ..__candor::Descriptor::DEFAULT
        };
        type Holder = __tool_match;
    }
    impl<__C: __candor::State> __candor::Tool<__C> for r#match {
        const RUN: __candor::Run<__C> = __candor::Run::Blocking(|_, _, mut __args| {
            let (__candor::Some(__a0), __candor::Some(__a1), __candor::Some(__a2)) = (
                __args.take::<::std::string::String>(0usize),
                __args.take::<Option<f64>>(1usize),
                __args.take::<String>(2usize),
            ) else { return __args.refuse() };
            __candor::Returned::new(r#match(&__a0, __a1, __a2)).outcome()
        });
    }
    #[allow(non_camel_case_types, unreachable_pub)]
    pub enum __tool_match {}
    #[diagnostic::do_not_recommend]
    impl<__C: __candor::State> __candor::Takes<__C, ()> for &__tool_match {}
};
