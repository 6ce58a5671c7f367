/// Closing price of one symbol on one day.
fn get_stock_price(symbol: String, days: u32) -> f64 {
    price(&symbol, days)
}
#[doc(hidden)]
#[allow(non_camel_case_types, unreachable_pub)]
enum get_stock_price {}
const _: () = {
    #[allow(unused_imports)]
    use ::candor::__private::{
        self as __candor, FailedWithBox as _, FailedWithText as _, FailsWithBox as _,
        FailsWithText as _, Succeeds as _,
    };
    impl __candor::Named for get_stock_price {
        const NAME: &'static __candor::str = "get_stock_price";
        const DESCRIPTOR: &'static __candor::Descriptor = &__candor::Descriptor {
            name: "get_stock_price",
            title: "Get stock price",
            description: "Closing price of one symbol on one day.",
            effect: __candor::Effect::ReadOnly,
            closed_world: true,
            scopes: &["read:prices"],
            params: &[
                __candor::Param {
                    name: "symbol",
                    description: "Ticker symbol.",
                    pattern: __candor::Some("^[A-Z]{1,5}$"),
                    ..<String as __candor::Argument>::PARAM
                },
                __candor::Param {
                    name: "days",
                    description: "How many days ago.",
                    optional: true,
                    max: __candor::Some(__candor::Literal::Int(30)),
                    default: __candor::Some(__candor::Literal::Int(0)),
                    ..<u32 as __candor::Argument>::PARAM
                },
            ],
            output: __candor::Returned::<f64>::schema,
            ..__candor::Descriptor::DEFAULT
        };
        type Holder = __tool_get_stock_price;
    }
    impl<__C: __candor::State> __candor::Tool<__C> for get_stock_price {
        const RUN: __candor::Run<__C> = __candor::Run::Blocking(|_, _, mut __args| {
            let (__candor::Some(__a0), __candor::Some(__a1)) = (
                __args.take::<String>(0usize),
                __args.take::<u32>(1usize),
            ) else { return __args.refuse() };
            __candor::Returned::new(get_stock_price(__a0, __a1)).outcome()
        });
    }
    #[allow(non_camel_case_types, unreachable_pub)]
    pub enum __tool_get_stock_price {}
    #[diagnostic::do_not_recommend]
    impl<__C: __candor::State> __candor::Takes<__C, ()> for &__tool_get_stock_price {}
};
