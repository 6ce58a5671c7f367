impl<B> ::candor::__private::State for App<B> {}
impl<B> ::candor::__private::Provide<Prices> for App<B> {
    type Access = ::candor::__private::Plain;
    fn provide(&self) -> &Prices {
        &self.prices
    }
}
impl<B> ::candor::__private::Provide<Alerts<B>> for App<B> {
    type Access = ::candor::__private::Write;
    fn provide(&self) -> &Alerts<B> {
        &self.alerts
    }
}
impl<B> ::candor::__private::Provide<Http> for App<B> {
    type Access = ::candor::__private::WriteAndNetwork;
    fn provide(&self) -> &Http {
        &self.http
    }
}
