/// Delete every alert of some symbols.
pub(crate) async fn clear_alerts(
    alerts: &Alerts,
    call: &Call,
    symbols: &[Symbol],
) -> Result<Cleared, AlertError> {
    alerts.clear(symbols, call).await
}
#[doc(hidden)]
#[allow(non_camel_case_types, unreachable_pub)]
pub(crate) enum clear_alerts {}
const _: () = {
    #[allow(unused_imports)]
    use ::candor::__private::{
        self as __candor, FailedWithBox as _, FailedWithText as _, FailsWithBox as _,
        FailsWithText as _, Succeeds as _,
    };
    impl __candor::Named for clear_alerts {
        const NAME: &'static __candor::str = "clear_alerts";
        const DESCRIPTOR: &'static __candor::Descriptor = &__candor::Descriptor {
            name: "clear_alerts",
            title: "Clear alerts",
            description: "Delete every alert of some symbols.",
            effect: __candor::Effect::Destructive,
            idempotent: true,
            closed_world: true,
            scopes: &["write:alerts"],
            confirm: __candor::Confirm::Always,
            idempotency_key: __candor::IdempotencyKey::Optional,
            audit: __candor::Audit::Required,
            takes_call: true,
            params: &[
                __candor::Param {
                    name: "symbols",
                    description: "Ticker symbols.",
                    ..<::std::vec::Vec<Symbol> as __candor::Argument>::PARAM
                },
            ],
            output: <Cleared as __candor::Output>::schema,
            ..__candor::Descriptor::DEFAULT
        };
        type Holder = __tool_clear_alerts;
    }
    impl<__C: __candor::Provide<Alerts> + __candor::State> __candor::Tool<__C>
    for clear_alerts
    where
        <__C as __candor::Provide<
            Alerts,
        >>::Access: __candor::InClosedWorld<clear_alerts, Alerts>,
    {
        const RUN: __candor::Run<__C> = __candor::Run::Async(|
            __state,
            __call,
            mut __args|
        __candor::boxed(async move {
            let _ = (
                <::std::vec::Vec<Symbol> as __candor::Argument>::PARAM,
                <Cleared as __candor::Output>::schema,
            );
            let __candor::Some(__a0) = __args.take::<::std::vec::Vec<Symbol>>(0usize)
            else { return __args.refuse() };
            match clear_alerts(
                    __candor::Provide::<Alerts>::provide(__state),
                    __call,
                    &__a0,
                )
                .await
            {
                __candor::Ok(__value) => {
                    __candor::done(<Cleared as __candor::Output>::reply(__value))
                }
                __candor::Err(__error) => {
                    __candor::Failed::new(__error)
                        .outcome(<AlertError as __candor::Failure>::text)
                }
            }
        }));
    }
    #[allow(non_camel_case_types, unreachable_pub)]
    pub enum __tool_clear_alerts {}
    #[diagnostic::do_not_recommend]
    impl<__C: __candor::Provide<Alerts> + __candor::State> __candor::Takes<__C, Alerts>
    for &__tool_clear_alerts {}
};
