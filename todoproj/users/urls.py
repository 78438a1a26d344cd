from django.urls import path

from todoproj.users import views

urlpatterns = [
    path("register/", views.Register.as_view(), name="register"),
    path("confirm/", views.Confirm.as_view(), name="confirm"),
    path("login/", views.LogIn.as_view(), name="log-in"),
    path("refresh/", views.Refresh.as_view(), name="refresh"),
    path("logout/", views.LogOut.as_view(), name="log-out"),
    path("logout-everywhere/", views.LogOutEverywhere.as_view(), name="log-out-everywhere"),
    path("password/", views.ChangePassword.as_view(), name="change-password"),
    path("account/", views.Account.as_view(), name="account"),
    path("account/data/", views.AccountData.as_view(), name="account-data"),
    path("delete-account/", views.DeleteAccount.as_view(), name="delete-account"),
]
