::core::compile_error! {
    "tool `set_price` does not say what it does to the world\nnote: MCP clients assume `destructive` when nothing is said\nhelp: add `read_only`, `additive` or `destructive`, for example `#[mcp_tool(read_only, …)]`"
}
#[allow(unused)]
/// Set the price of one symbol.
fn set_price(symbol: String) {
    drop(symbol);
}
#[doc(hidden)]
#[allow(non_camel_case_types, unreachable_pub)]
enum set_price {}
const _: () = {
    #[allow(unused_imports)]
    use ::candor::__private::{
        self as __candor, FailedWithBox as _, FailedWithText as _, FailsWithBox as _,
        FailsWithText as _, Succeeds as _,
    };
    impl __candor::Named for set_price {
        const NAME: &'static __candor::str = "set_price";
        const DESCRIPTOR: &'static __candor::Descriptor = &__candor::Descriptor::FALLBACK;
        type Holder = __tool_set_price;
    }
    #[allow(non_camel_case_types, unreachable_pub)]
    pub enum __tool_set_price {}
    impl<__C> __candor::Tool<__C> for set_price {
        const RUN: __candor::Run<__C> = __candor::Run::FALLBACK;
    }
    impl<__C> __candor::Takes<__C, ()> for &__tool_set_price {}
};
